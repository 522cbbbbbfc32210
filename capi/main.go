//go:build native

// Package main is the edge of the library: C arguments become Go calls, Go errors become statuses. Public symbols are C
// functions (*.c); the exports of this package are hidden. No algorithm lives here.
package main

/*
#cgo CFLAGS: -std=gnu11 -O2 -fvisibility=hidden -Wall -Wextra -Wno-unused-parameter
#include "core.h"
*/
import "C"

func main() {}
