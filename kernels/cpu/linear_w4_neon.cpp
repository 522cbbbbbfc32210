#include "isa_neon.h"
#include "linear_tile.h"
