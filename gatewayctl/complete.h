/* Completion of a command line of gatewayctl in a shell. */
#ifndef GATEWAYCTL_COMPLETE_H
#define GATEWAYCTL_COMPLETE_H

/* Prints the candidates for the last of the words, a line each. argv: the words behind gatewayctl.
 * Names come from the running gateway; without one there are none. */
void complete_print(int argc, char **argv);

#endif
