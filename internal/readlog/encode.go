package readlog

import (
	"encoding/binary"
	"errors"

	"sysc/internal/varint"
)

var errDamaged = errors.New("decode what was read: damaged")

// Append appends the log to b, for [Decode].
func (l *Log) Append(b []byte) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	var roots []string
	at := map[string]int{}
	for _, r := range l.reads {
		if _, ok := at[r.root]; !ok {
			at[r.root] = len(roots)
			roots = append(roots, r.root)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(roots)))
	for _, root := range roots {
		b = varint.AppendText(b, root)
	}
	b = binary.AppendUvarint(b, uint64(len(l.reads)))
	for _, r := range l.reads {
		b = append(b, byte(r.op))
		b = binary.AppendUvarint(b, uint64(at[r.root]))
		b = varint.AppendText(varint.AppendText(varint.AppendText(b, r.name), r.arg), r.answer)
		b = r.stamp.append(b)
	}
	return b
}

// append writes whether there is a stamp, and the stamp.
func (s stamp) append(b []byte) []byte {
	if s == (stamp{}) {
		return append(b, 0)
	}
	b = append(b, 1)
	for _, n := range []uint64{s.dev, s.ino, uint64(s.size), uint64(s.mtime), uint64(s.ctime)} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return b
}

// Decode reads a log that [Log.Append] wrote. It is for [Log.Check] and Append.
func Decode(data string) (*Log, error) {
	d := decoder{rest: data}
	roots := make([]string, d.count())
	for i := range roots {
		roots[i] = d.text()
	}
	l := New()
	n := d.count()
	l.reads = make([]read, 0, n)
	for range n {
		r := read{question: question{op: op(d.byte())}}
		root := d.uint()
		if r.op == 0 || r.op >= opEnd || root >= uint64(len(roots)) || d.failed {
			return nil, errDamaged
		}
		r.root = roots[root]
		r.name, r.arg, r.answer = d.text(), d.text(), d.text()
		r.stamp = d.stamp()
		l.reads = append(l.reads, r)
	}
	if d.failed || d.rest != "" {
		return nil, errDamaged
	}
	return l, nil
}

// A decoder takes values off the front of bytes. After the first that is not there
// it has failed and returns nothing.
type decoder struct {
	rest   string
	failed bool
}

func (d *decoder) fail() {
	d.rest, d.failed = "", true
}

func (d *decoder) uint() uint64 {
	n, rest, ok := varint.Cut(d.rest)
	if !ok {
		d.fail()
		return 0
	}
	d.rest = rest
	return n
}

// count reads the number of things that follow, each of which has a byte at least.
func (d *decoder) count() int {
	n := d.uint()
	if n > uint64(len(d.rest)) || n > maxReads {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) take(n uint64) string {
	if n > uint64(len(d.rest)) {
		d.fail()
		return ""
	}
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}

func (d *decoder) text() string { return d.take(d.uint()) }

func (d *decoder) byte() byte {
	if s := d.take(1); s != "" {
		return s[0]
	}
	return 0
}

func (d *decoder) stamp() stamp {
	if d.byte() == 0 {
		return stamp{}
	}
	const size = 5 * 8
	b := d.take(size)
	if len(b) < size {
		return stamp{}
	}
	n := func(i int) uint64 { return binary.LittleEndian.Uint64([]byte(b[8*i : 8*i+8])) }
	return stamp{n(0), n(1), int64(n(2)), int64(n(3)), int64(n(4))}
}
