package squashfs

import (
	"encoding/binary"

	"github.com/klauspost/compress/zstd"
)

// A meta is a table of metadata: bytes in compressed blocks.
type meta struct {
	encoder *zstd.Encoder
	open    []byte // what is not in a block yet
	blocks  []byte
	starts  []int64 // of the blocks in blocks
}

// place returns where the next byte stands: that of its block in the table, and how
// far in that block it is.
func (m *meta) place() (start uint32, offset uint16) {
	return uint32(len(m.blocks)), uint16(len(m.open))
}

// reference returns place as the number that names it.
func (m *meta) reference() uint64 {
	start, offset := m.place()
	return uint64(start)<<16 | uint64(offset)
}

func (m *meta) write(p []byte) {
	for len(p) > 0 {
		n := min(len(p), metaSize-len(m.open))
		m.open = append(m.open, p[:n]...)
		p = p[n:]
		if len(m.open) == metaSize {
			m.end()
		}
	}
}

// end ends the block that is open, if anything is in it.
func (m *meta) end() {
	if len(m.open) == 0 {
		return
	}
	m.starts = append(m.starts, int64(len(m.blocks)))
	packed := pack(m.encoder, m.open)
	size := uint16(len(packed))
	if len(packed) == len(m.open) {
		size |= rawMeta
	}
	m.blocks = binary.LittleEndian.AppendUint16(m.blocks, size)
	m.blocks = append(m.blocks, packed...)
	m.open = make([]byte, 0, metaSize)
}

// table writes a finished table.
func (d *dataWriter) table(m *meta) error {
	m.end()
	return d.write(m.blocks)
}

// indexed writes a table, and head and the addresses of its blocks behind it. It
// returns where the table and head are.
func (d *dataWriter) indexed(m *meta, head func(table int64) fields) (table, index uint64, err error) {
	at := d.pos
	if err := d.table(m); err != nil {
		return 0, 0, err
	}
	f := fields{}
	if head != nil {
		f = head(at)
	}
	for _, start := range m.starts {
		f.u64(uint64(at + start))
	}
	index = uint64(d.pos)
	return uint64(at), index, d.write(f)
}
