#include "isa_scalar.h"
#include "linear_tile.h"
