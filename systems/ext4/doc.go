// Package ext4 makes an ext4 file system out of a tree of a store: what a machine's
// disk has on it before the machine has run once. It is an ordinary file system, with a
// journal and room to grow in; the kernel and e2fsck(8) know it as one that
// mke2fs(8) made.
//
// [Write] needs no privileges and no program of the host. The same tree and options
// give the same bytes. Blocks that are not used are not written, so that a file
// stays as small as its contents.
//
// Blocks have 4 KiB, groups 32,768 of them; each group has its bitmaps and inodes in
// front (no flex_bg). There are no checksums of metadata yet. Files are laid out one
// after another, in the order of a walk that finishes with a level before it goes
// deeper, so that inodes and contents are in order.
//
// The format is that of the kernel's documentation (Documentation/filesystems/ext4).
package ext4
