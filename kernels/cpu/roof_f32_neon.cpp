#include "isa_neon.h"
#include "roof_tile.h"
