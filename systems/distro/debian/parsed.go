package debian

import (
	"context"
	"crypto/sha256"
	"io"
	"strings"

	"sysc/systems/distro/debian/universe"
)

// A Keeper is a [Fetcher] that keeps what indexes were read into, for the next time. What
// it has may have been changed since.
type Keeper interface {
	// Kept opens what was kept under a name, and says how many bytes it has; nil when there
	// is nothing.
	Kept(name string) (r io.ReadCloser, size int64)
	// Keep keeps data under a name, if it can.
	Keep(name string, data []byte)
}

// parsedVersion is that of the form of what is kept. It changes with package universe's.
const parsedVersion = "1"

// readParsed returns the packages of an index for an architecture: those that were kept
// when it was read before, or else what the index has.
func readParsed(ctx context.Context, index Index, architecture string, f Fetcher) ([]universe.Package, error) {
	keeper, keeps := f.(Keeper)
	name := index.SHA256.Hex() + "-" + architecture + "." + parsedVersion
	if keeps {
		if r, size := keeper.Kept(name); r != nil {
			list, ok := openParsed(r, size, name)
			r.Close()
			if ok {
				return list, nil
			}
		}
	}
	var list []universe.Package
	err := readIndex(ctx, index, f, func(plain io.Reader) (err error) {
		list, err = universe.ReadIndex(plain, architecture, ArchitectureAll)
		return err
	})
	if err == nil && keeps {
		keeper.Keep(name, sealParsed(universe.Encode(list), name))
	}
	return list, err
}

// sealParsed puts a hash in front: of the name, so that it is of this index, and of all
// that comes behind.
func sealParsed(data []byte, name string) []byte {
	h := sha256.New()
	io.WriteString(h, name)
	h.Write(data)
	return append(h.Sum(nil), data...)
}

// openParsed reads what sealParsed made. Anything else is no loss: the index is read.
func openParsed(r io.Reader, size int64, name string) ([]universe.Package, bool) {
	var sum [sha256.Size]byte
	if _, err := io.ReadFull(r, sum[:]); err != nil || size > maxIndex {
		return nil, false
	}
	h := sha256.New()
	io.WriteString(h, name)
	var text strings.Builder // whose text is not copied
	text.Grow(int(size))
	if _, err := io.Copy(io.MultiWriter(&text, h), io.LimitReader(r, size)); err != nil || [sha256.Size]byte(h.Sum(nil)) != sum {
		return nil, false
	}
	list, err := universe.Decode(text.String())
	return list, err == nil
}
