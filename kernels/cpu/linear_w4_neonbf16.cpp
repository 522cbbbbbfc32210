#include "isa_neonbf16.h"
#include "linear_tile.h"
