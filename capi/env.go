//go:build native

package main

/*
#include <stdlib.h>
*/
import "C"

import "unsafe"

// getenv reads the present environment: Go's own copy is that of the start of the process.
func getenv(name string) string {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	if v := C.getenv(c); v != nil {
		return C.GoString(v)
	}
	return ""
}
