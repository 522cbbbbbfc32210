#include "isa_neon.h"
#include "rows_tile.h"
