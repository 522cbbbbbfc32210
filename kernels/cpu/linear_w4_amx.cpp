#include "isa_amx.h"
#include "linear_tile.h"
