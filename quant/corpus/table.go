// A parquet table: a document a row.

package corpus

import (
	"fmt"
	"io"
)

func newTable(path string, f io.ReaderAt, size int64, column string) (Source, error) {
	return nil, fmt.Errorf("%s: %w: parquet", path, ErrUnsupported)
}
