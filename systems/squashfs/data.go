package squashfs

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"runtime"

	"github.com/klauspost/compress/zstd"

	"sysc/internal/par"
	"sysc/store"
)

// A content is where the data of a file are.
type content struct {
	size   int64
	start  int64    // of the first block, in the image
	blocks []uint32 // their sizes, with rawBlock
	// fragment is the number of the block that has the end of the file, nowhere32
	// without; offset is where in it.
	fragment, offset uint32
}

// A block is one to be written.
type block struct {
	raw    []byte
	packed []byte
	of     *content // nil for a fragment
	number int      // of a fragment
}

// batch is how many blocks are compressed at a time.
const batch = 64

// A dataWriter writes contents. Blocks of one file follow each other, as a file knows
// only its first; its end goes into a fragment, which is written between files.
type dataWriter struct {
	to        io.WriterAt
	pos       int64
	encoder   *zstd.Encoder
	queue     []block
	fragment  []byte // the ends of files so far
	fragments []fields
	known     map[store.Digest]*content
}

// newEncoder returns an encoder of blocks, which is safe for concurrent use.
func newEncoder() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithWindowSize(blockSize),
		zstd.WithEncoderCRC(false), zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)))
}

// pack compresses a block, unless it would not become smaller.
func pack(encoder *zstd.Encoder, raw []byte) []byte {
	packed := encoder.EncodeAll(raw, make([]byte, 0, len(raw)))
	if len(packed) >= len(raw) {
		return raw
	}
	return packed
}

// add writes a file's blob, and checks it, unless it is there.
func (d *dataWriter) add(ctx context.Context, src Source, digest store.Digest, size int64) error {
	if c, ok := d.known[digest]; ok {
		if c.size != size {
			return fmt.Errorf("blob %s has %d bytes and %d", digest, c.size, size)
		}
		return nil
	}
	f, err := src.OpenBlob(ctx, digest)
	if err != nil {
		return err
	}
	defer f.Close()
	c := &content{size: size, fragment: nowhere32}
	d.known[digest] = c
	sum := sha256.New()
	from := io.TeeReader(io.LimitReader(f, size), sum)
	for left := size; left > 0; {
		raw := make([]byte, min(left, blockSize))
		if _, err := io.ReadFull(from, raw); err != nil {
			return fmt.Errorf("copy blob %s: the store's copy is damaged: %w", digest, err)
		}
		left -= int64(len(raw))
		if len(raw) == blockSize {
			err = d.put(ctx, block{raw: raw, of: c})
		} else {
			err = d.end(ctx, c, raw)
		}
		if err != nil {
			return err
		}
	}
	// Of one that is too long, this is the beginning's.
	if got := store.Digest(sum.Sum(nil)); got != digest {
		return fmt.Errorf("copy blob %s: the store's copy is damaged: digest %s", digest, got)
	}
	return nil
}

// end puts the end of a file into a fragment.
func (d *dataWriter) end(ctx context.Context, c *content, raw []byte) error {
	if len(d.fragment)+len(raw) > blockSize {
		if err := d.endFragment(ctx); err != nil {
			return err
		}
	}
	c.fragment, c.offset = uint32(len(d.fragments)), uint32(len(d.fragment))
	d.fragment = append(d.fragment, raw...)
	return nil
}

// finish writes everything that is not yet.
func (d *dataWriter) finish(ctx context.Context) error {
	if err := d.endFragment(ctx); err != nil {
		return err
	}
	return d.flush(ctx)
}

// endFragment gives the fragment that was collected to be written.
func (d *dataWriter) endFragment(ctx context.Context) error {
	if len(d.fragment) == 0 {
		return nil
	}
	raw := d.fragment
	d.fragment = make([]byte, 0, blockSize)
	d.fragments = append(d.fragments, nil)
	return d.put(ctx, block{raw: raw, number: len(d.fragments) - 1})
}

func (d *dataWriter) put(ctx context.Context, b block) error {
	d.queue = append(d.queue, b)
	if len(d.queue) < batch {
		return nil
	}
	return d.flush(ctx)
}

// flush writes the blocks that wait, in their order.
func (d *dataWriter) flush(ctx context.Context) error {
	err := par.Do(ctx, len(d.queue), runtime.GOMAXPROCS(0), func(_ context.Context, i int) error {
		d.queue[i].packed = pack(d.encoder, d.queue[i].raw)
		return nil
	})
	if err != nil {
		return err
	}
	for i := range d.queue {
		b := &d.queue[i]
		size := uint32(len(b.packed))
		if len(b.packed) == len(b.raw) { // pack left it alone
			size |= rawBlock
		}
		if b.of == nil {
			var f fields
			f.u64(uint64(d.pos))
			f.u32(size)
			f.u32(0)
			d.fragments[b.number] = f
		} else {
			if len(b.of.blocks) == 0 {
				b.of.start = d.pos
			}
			b.of.blocks = append(b.of.blocks, size)
		}
		if err := d.write(b.packed); err != nil {
			return err
		}
	}
	d.queue = d.queue[:0]
	return nil
}

func (d *dataWriter) write(p []byte) error {
	_, err := d.to.WriteAt(p, d.pos)
	d.pos += int64(len(p))
	return err
}
