// Package fat makes a FAT32 file system out of a tree of a store: the partition that
// firmware and boot loaders read. [Write] needs no privileges and no program of
// the host, and gives the same bytes for the same tree and options.
//
// FAT has no owners, modes or links: those of the tree are left out, links are
// refused. Every name has its long form on the disk (VFAT) unless it is as short and
// loud as those of DOS.
//
// The format is that of Microsoft's "FAT32 File System Specification" 1.03.
package fat
