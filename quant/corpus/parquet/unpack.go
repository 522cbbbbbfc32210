// The compressions of pages: none, Snappy, gzip, Zstandard. What comes out is as long as the page's header says, and memory
// grows with what really comes.

package parquet

import (
	"bytes"
	"compress/gzip"
	"io"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
)

const (
	codecNone   = 0
	codecSnappy = 1
	codecGzip   = 2
	codecZstd   = 6
)

// snappyRatio is more than Snappy can ever pack: a copy of 64 bytes takes 3.
const snappyRatio = 22

// maxWindow bounds the memory of a Zstandard decoder.
const maxWindow = 64 << 20

func knownCodec(codec int32) error {
	names := [...]string{"none", "Snappy", "gzip", "LZO", "Brotli", "LZ4", "Zstandard", "LZ4 raw"}
	switch codec {
	case codecNone, codecSnappy, codecGzip, codecZstd:
		return nil
	}
	name := "unknown"
	if codec >= 0 && int(codec) < len(names) {
		name = names[codec]
	}
	return unsupported("compression %d, %s; none, Snappy, gzip and Zstandard are read", codec, name)
}

// unpacker keeps the decoders of a column from page to page.
type unpacker struct {
	gzip *gzip.Reader
	zstd *zstd.Decoder
}

// unpack gives the `size` bytes that `data` is the packing of.
func (u *unpacker) unpack(codec int32, data []byte, size int) ([]byte, error) {
	switch codec {
	case codecSnappy:
		n, err := snappy.DecodedLen(data)
		if err != nil || n != size || n/snappyRatio > len(data) {
			return nil, corrupt("a Snappy page of %d bytes unpacks to %d, %d are wanted (%v)", len(data), n, size, err)
		}
		out, err := snappy.Decode(nil, data)
		if err != nil {
			return nil, corrupt("a Snappy page: %v", err)
		}
		return out, nil
	case codecGzip:
		err := error(nil)
		if u.gzip == nil {
			u.gzip, err = gzip.NewReader(bytes.NewReader(data))
		} else {
			err = u.gzip.Reset(bytes.NewReader(data))
		}
		if err != nil {
			u.gzip = nil
			return nil, corrupt("a gzip page: %v", err)
		}
		return drain(u.gzip, "gzip", size)
	case codecZstd:
		err := error(nil)
		if u.zstd == nil {
			// One decoder alone works in the calling goroutine and starts none.
			u.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		}
		if err == nil {
			err = u.zstd.Reset(bytes.NewReader(data))
		}
		if err != nil {
			return nil, corrupt("a Zstandard page: %v", err)
		}
		return drain(u.zstd, "Zstandard", size)
	}
	if len(data) != size {
		return nil, corrupt("a plain page of %d bytes, %d are wanted", len(data), size)
	}
	return data, nil
}

func drain(r io.Reader, name string, size int) ([]byte, error) {
	var out bytes.Buffer
	n, err := io.Copy(&out, io.LimitReader(r, int64(size)+1))
	if err != nil {
		return nil, corrupt("a %s page: %v", name, err)
	}
	if n != int64(size) {
		return nil, corrupt("a %s page unpacks to %d bytes, %d are wanted", name, n, size)
	}
	return out.Bytes(), nil
}
