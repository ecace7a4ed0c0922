package earlyboot

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
)

// A filesystem is what the beginning of a disk says that it is.
type filesystem struct {
	kind string // as mount(2) has it
	uuid string // lower case, with hyphens; "" for one without
}

// superblocks are where the file systems that data may be on, or a root, have their magic
// numbers and UUIDs, as offsets from the beginning of the disk.
var superblocks = []struct {
	kind    string
	magic   []byte
	magicAt int64
	uuidAt  int64 // 0 for one without
}{
	{kind: "ext4", magic: binary.LittleEndian.AppendUint16(nil, 0xEF53), magicAt: 1024 + 0x38, uuidAt: 1024 + 0x68},
	{kind: "btrfs", magic: []byte("_BHRfS_M"), magicAt: 0x10040, uuidAt: 0x10020},
	{kind: "xfs", magic: []byte("XFSB"), magicAt: 0, uuidAt: 32},
	{kind: "erofs", magic: binary.LittleEndian.AppendUint32(nil, 0xE0F5E1E2), magicAt: 1024, uuidAt: 1024 + 0x30},
	{kind: "squashfs", magic: []byte("hsqs"), magicAt: 0},
}

// probeSize is how much of a disk is looked at.
const probeSize = 0x11000

// probe tells which file system a disk has. One that is not known is the zero
// value; a disk may be shorter than any.
func probe(disk io.ReaderAt) (filesystem, error) {
	head := make([]byte, probeSize)
	n, err := disk.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return filesystem{}, err
	}
	head = head[:n]
	for _, s := range superblocks {
		const uuidSize = 16
		if int64(n) < max(s.magicAt+int64(len(s.magic)), s.uuidAt+uuidSize) {
			continue
		}
		if bytes.HasPrefix(head[s.magicAt:], s.magic) {
			if s.uuidAt == 0 {
				return filesystem{kind: s.kind}, nil
			}
			return filesystem{s.kind, formatUUID(head[s.uuidAt : s.uuidAt+uuidSize])}, nil
		}
	}
	return filesystem{}, nil
}

// formatUUID writes 16 bytes as people do (RFC 9562, section 4).
func formatUUID(b []byte) string {
	s := hex.EncodeToString(b)
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
