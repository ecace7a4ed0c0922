// Package squashfs writes a tree of a store as a SquashFS image: a compressed file system
// that is read-only, which every kernel since Linux 4.14 mounts.
//
// The same tree gives the same bytes, on any machine, as any user. Contents are
// compressed by Zstandard in blocks of 128 KiB, on all cores, and written as they come;
// ends of files share blocks (fragments), files of equal contents share everything.
// Listings, inodes and extended attributes are collected in memory and stand behind.
//
// The format is version 4.0, as in the kernel's fs/squashfs/squashfs_fs.h and
// Documentation/filesystems/squashfs.rst.
package squashfs
