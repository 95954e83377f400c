/* gatewayctl new TYPE NAME: a commented block of a configuration for each device type. */
#ifndef GATEWAYCTL_BLOCKS_H
#define GATEWAYCTL_BLOCKS_H

#include <stddef.h>

/* new and its arguments: prints the block of a type with a name, of an SCL file where one is given;
 * returns the exit code. */
int blocks_new(int argc, char **argv);

/* For completion: the device types, NULL behind the last; each long option of new, without its
 * dashes; the long name of an option that a value follows, or NULL. */
const char *blocks_type(size_t i);
void blocks_each_option(void (*each)(void *arg, const char *name), void *arg);
const char *blocks_with_value(const char *word);

#endif
