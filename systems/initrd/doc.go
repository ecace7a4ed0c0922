// Package initrd makes the file system that a kernel unpacks into memory when it
// starts: sysc's own first program (package earlyboot) and the kernel modules that it
// takes to reach a machine's disk, of the kernel in a root.
//
// [Make] gives the same bytes for the same root and program. Modules are
// taken out of their compression, so that the whole is compressed once and the
// kernel needs no decompressor beside the one for the initrd.
package initrd
