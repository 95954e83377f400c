/* gatewayctl new TYPE NAME: a commented block of a configuration for each device type. */
#ifndef GATEWAYCTL_BLOCKS_H
#define GATEWAYCTL_BLOCKS_H

/* Prints the block of argv[0] with the name argv[1]; returns the exit code. */
int blocks_new(int argc, char **argv);

#endif
