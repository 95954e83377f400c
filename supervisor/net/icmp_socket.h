/*
 * Sockets for echo requests (ping), of IPv4 and IPv6, opened by the supervisor
 * for its runners.
 */
#ifndef SUPERVISOR_ICMP_SOCKET_H
#define SUPERVISOR_ICMP_SOCKET_H

/* A socket of AF_INET or AF_INET6 that sends echo requests and receives echo replies only; not yet
 * connected, non-blocking, close-on-exec. SOCK_DGRAM where net.ipv4.ping_group_range lets a group
 * of ours (both families ask that range), else SOCK_RAW, which needs CAP_NET_RAW. Returns -1 with
 * errno. */
int icmp_socket(int family);

#endif
