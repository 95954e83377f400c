/* gatewayctl new TYPE NAME: a commented block of a configuration for each device type. */
#ifndef GATEWAYCTL_BLOCKS_H
#define GATEWAYCTL_BLOCKS_H

/* new and its arguments: prints the block of a type with a name, of an SCL file where one is given;
 * returns the exit code. */
int blocks_new(int argc, char **argv);

#endif
