#include "isa_scalar.h"
#include "roof_tile.h"
