package initrd

import (
	"fmt"
	"io"
)

// A cpio writes an archive in the form that kernels unpack, "newc" of cpio(5)
// (Documentation/driver-api/early-userspace/buffer-format.rst). Everything in it
// belongs to root and has the time 1. The first error stays.
type cpio struct {
	to    io.Writer
	pos   int64
	inode int64
	err   error
}

const (
	cpioMagic   = "070701"
	cpioTrailer = "TRAILER!!!"
	cpioTime    = 1
	cpioAlign   = 4

	typeDir  = 0o040000
	typeFile = 0o100000
)

// dir adds a directory, whose parent was added before.
func (c *cpio) dir(name string) { c.entry(name, typeDir|0o755, nil) }

// file adds a file.
func (c *cpio) file(name string, mode uint32, data []byte) { c.entry(name, typeFile|mode, data) }

// close ends the archive.
func (c *cpio) close() error {
	c.inode = -1
	c.entry(cpioTrailer, 0, nil)
	return c.err
}

func (c *cpio) entry(name string, mode uint32, data []byte) {
	c.head(name, mode, int64(len(data)))
	c.write(data)
	c.pad()
}

// head writes what stands before the contents of an entry.
func (c *cpio) head(name string, mode uint32, size int64) {
	c.inode++
	links, mtime := int64(1), int64(cpioTime)
	if mode == 0 {
		mtime = 0 // the trailer
	}
	fields := []int64{c.inode, int64(mode), 0, 0, links, mtime, size, 0, 0, 0, 0, int64(len(name) + 1), 0}
	head := []byte(cpioMagic)
	for _, f := range fields {
		head = fmt.Appendf(head, "%08X", f)
	}
	head = append(head, name...)
	c.write(append(head, 0))
	c.pad()
}

func (c *cpio) write(p []byte) {
	if c.err == nil {
		_, c.err = c.to.Write(p)
		c.pos += int64(len(p))
	}
}

func (c *cpio) pad() {
	c.write(make([]byte, (cpioAlign-c.pos%cpioAlign)%cpioAlign))
}
