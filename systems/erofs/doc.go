// Package erofs writes a tree of a store as an EROFS image: a read-only file
// system that the kernel mounts from a file or a disk.
//
// There are two kinds. [WriteComposefs] writes names, modes, owners and extended
// attributes alone; overlayfs finds the contents of files in a directory of blobs
// beside the image. A generation's root costs some hundred bytes a path so, is
// made from listings without opening a blob, and shares contents with every other.
// [Write] writes everything, for images that stand alone.
//
// The same tree gives the same bytes, on any machine, as any user. Images for composefs are
// those of mkcomposefs(1), byte for byte.
//
// The writer knows what is written to the disk before it writes: [image] holds one
// [node] for each path, in the order in which inodes stand in the image; layout.go
// gives each its place, write.go writes them one after another.
//
// The format is that of the kernel (Documentation/filesystems/erofs.rst,
// fs/erofs/erofs_fs.h); what overlayfs reads of it is in
// Documentation/filesystems/overlayfs.rst, sections "Metadata only copy up", "Data-only
// lower layers" and "Nesting overlayfs mounts".
package erofs
