#include "isa_neon.h"
#include "refine_tile.h"
