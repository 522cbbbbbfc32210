//go:build !linux

package quant

// PeakRSS is the largest resident size that this process has had, in bytes; 0 where the system does not tell.
func PeakRSS() int64 { return 0 }
