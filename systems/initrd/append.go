package initrd

import (
	"fmt"
	"io"
	"math"
)

// appendAlign is what archives that follow another begin at multiples of, in bytes: else
// a kernel takes them for compressed.
const appendAlign = 4

// Append writes what makes an initrd of size bytes that was written to w one with a
// further file at its top: padding, and an archive of the file, uncompressed.
func Append(w io.Writer, size int64, name string, data io.Reader, length int64) error {
	if length > math.MaxUint32 {
		return fmt.Errorf("append %s to initrd: %d bytes, at most %d", name, length, uint32(math.MaxUint32))
	}
	if _, err := w.Write(make([]byte, (appendAlign-size%appendAlign)%appendAlign)); err != nil {
		return fmt.Errorf("append %s to initrd: %w", name, err)
	}
	c := &cpio{to: w}
	c.head(name, typeFile|0o600, length)
	if c.err == nil {
		var n int64
		n, c.err = io.CopyN(w, data, length)
		c.pos += n
	}
	c.pad()
	if err := c.close(); err != nil {
		return fmt.Errorf("append %s to initrd: %w", name, err)
	}
	return nil
}
