// Package lzma2 decodes LZMA2, the compression inside of .xz files ("The .xz File
// Format" 5.3.1; LZMA itself as in 7-Zip's "LZMA specification").
//
// It does that alone, for containers that its caller reads: it is made for
// throughput. Output is the same as liblzma's, byte for byte, or an error.
package lzma2

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// MaxDict is the largest dictionary that a [Decoder] accepts, in bytes: that of
// "xz -9".
const MaxDict = 64 << 20

const (
	// maxPacked and maxPlain are the most bytes of a chunk, before and after.
	maxPacked = 1 << 16
	maxPlain  = 1 << 21
	// slack is how much a window holds beside the dictionary: with more of it, the
	// dictionary is moved to the window's begin less often.
	slack = 4 * maxPlain
)

// ErrDamaged says that the bytes are not what an encoder would write.
var ErrDamaged = errors.New("LZMA2 stream is damaged")

// A Decoder reads what one raw LZMA2 stream decodes to. Its zero value is empty:
// [Decoder.Reset] begins a stream. It keeps its memory for the next. It is for one
// goroutine at a time.
type Decoder struct {
	src  *bufio.Reader
	read int64 // bytes taken from src
	err  error

	dict   int
	window []byte
	begin  int // of what may be referred to: the last reset of the dictionary
	out    int // of what is not yet read
	end    int // of what is decoded
	offset int // added to an index into window, the position in the stream since begin

	needDict, needProps bool
	lc                  uint32
	litMask, posMask    uint32
	state               uint32
	rep                 [4]uint32
	probs               [probMask + 1]uint16
	in                  [inputMask + 1]byte
}

// DictSize returns the bytes of a dictionary that the property byte of the LZMA2
// filter asks for.
func DictSize(property byte) (int, error) {
	if property > 40 {
		return 0, fmt.Errorf("LZMA2 dictionary of size %d", property)
	}
	size := uint64(2|property&1) << (property/2 + 11)
	if size > MaxDict {
		return 0, fmt.Errorf("LZMA2 dictionary of %d bytes, at most %d", size, MaxDict)
	}
	return int(size), nil
}

// Reset begins a stream with a dictionary of so many bytes, at most [MaxDict], that
// decodes to size bytes at most. It takes as much memory as the smaller of the two,
// and some 8 MiB more.
func (d *Decoder) Reset(src *bufio.Reader, dict int, size int64) {
	d.src, d.read, d.err = src, 0, nil
	d.dict = dict
	if need := int(min(int64(dict+slack), size)); len(d.window) < need {
		d.window = make([]byte, need)
	}
	d.begin, d.out, d.end, d.offset = 0, 0, 0, 0
	d.needDict, d.needProps = true, true
}

// Consumed returns how many bytes of the source were decoded.
func (d *Decoder) Consumed() int64 { return d.read }

// Read reads decoded bytes. At the end of the stream, io.EOF, exactly its bytes
// have been taken from the source. Errors other than the source's are [ErrDamaged].
func (d *Decoder) Read(p []byte) (int, error) {
	for d.out == d.end {
		if d.err != nil {
			return 0, d.err
		}
		d.err = d.next()
	}
	n := copy(p, d.window[d.out:d.end])
	d.out += n
	return n, nil
}

// WriteTo writes all decoded bytes.
func (d *Decoder) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		n, err := w.Write(d.window[d.out:d.end])
		total += int64(n)
		d.out += n
		if err != nil {
			return total, err
		}
		if d.err == nil {
			d.err = d.next()
		}
		if d.out == d.end && d.err != nil {
			if d.err == io.EOF {
				return total, nil
			}
			return total, d.err
		}
	}
}

// next decodes one chunk.
func (d *Decoder) next() error {
	control, err := d.src.ReadByte()
	if err != nil {
		return noEOF(err)
	}
	d.read++
	if control == 0 {
		return io.EOF
	}
	if control == 1 || control >= 0xe0 {
		d.needDict, d.needProps = false, true
		d.begin, d.offset = d.end, -d.end
	} else if d.needDict {
		return ErrDamaged
	}
	switch {
	case control >= 0x80:
		return d.packed(control)
	case control <= 2:
		return d.plain()
	}
	return ErrDamaged
}

// makeRoom moves the dictionary to the window's begin if so many bytes do not fit
// behind it. All that is decoded has been read at this point. It returns false when
// they do not fit then, either: the stream is longer than it was said to be.
func (d *Decoder) makeRoom(size int) bool {
	if len(d.window)-d.end >= size {
		return true
	}
	keep := max(d.begin, d.end-d.dict)
	copy(d.window, d.window[keep:d.end])
	d.begin = 0
	d.end -= keep
	d.out = d.end
	d.offset += keep
	return len(d.window)-d.end >= size
}

// plain copies a chunk that is not compressed.
func (d *Decoder) plain() error {
	head, err := d.header(2)
	if err != nil {
		return err
	}
	size := int(head[0])<<8 + int(head[1]) + 1
	if !d.makeRoom(size) {
		return ErrDamaged
	}
	if err := d.fill(d.window[d.end : d.end+size]); err != nil {
		return err
	}
	d.end += size
	return nil
}

// packed decodes a chunk of LZMA.
func (d *Decoder) packed(control byte) error {
	head, err := d.header(4)
	if err != nil {
		return err
	}
	size := int(control&0x1f)<<16 + int(head[0])<<8 + int(head[1]) + 1
	n := int(head[2])<<8 + int(head[3]) + 1
	switch {
	case control >= 0xc0:
		property, err := d.header(1)
		if err != nil {
			return err
		}
		if !d.setProperties(property[0]) {
			return ErrDamaged
		}
		d.resetState()
	case d.needProps:
		return ErrDamaged
	case control >= 0xa0:
		d.resetState()
	}
	if err := d.fill(d.in[:n]); err != nil {
		return err
	}
	if !d.makeRoom(size) || !d.chunk(uint(n), size) {
		return ErrDamaged
	}
	return nil
}

// setProperties takes the byte (pb*5 + lp)*9 + lc.
func (d *Decoder) setProperties(b byte) bool {
	if b >= 5*5*9 {
		return false
	}
	lc, lp, pb := uint32(b%9), uint32(b/9%5), uint32(b/9/5)
	if lc+lp > maxLit {
		return false
	}
	d.lc, d.litMask, d.posMask = lc, 1<<lp-1, 1<<pb-1
	d.needProps = false
	return true
}

// header reads up to four bytes.
func (d *Decoder) header(n int) ([]byte, error) {
	head := d.in[:n]
	return head, d.fill(head)
}

func (d *Decoder) fill(p []byte) error {
	n, err := io.ReadFull(d.src, p)
	d.read += int64(n)
	return noEOF(err)
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
