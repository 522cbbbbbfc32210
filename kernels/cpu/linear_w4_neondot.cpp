#include "isa_neondot.h"
#include "linear_tile.h"
