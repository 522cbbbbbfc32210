package quant

import "syscall"

// PeakRSS is the largest resident size that this process has had, in bytes; 0 where the system does not tell.
func PeakRSS() int64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return u.Maxrss * 1024 // kilobytes on Linux
}
