#include "isa_neoni8mm.h"
#include "linear_tile.h"
