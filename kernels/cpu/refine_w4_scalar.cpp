#include "isa_scalar.h"
#include "refine_tile.h"
