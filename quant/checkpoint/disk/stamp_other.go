//go:build !linux

package disk

import "io/fs"

func (*Stamp) system(fs.FileInfo) {}
