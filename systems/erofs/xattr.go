package erofs

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// An xattr is an extended attribute of an inode.
type xattr struct {
	xattrKey
	// shared is true when the inode refers to the image's one copy, which stands at
	// offset of the shared ones.
	shared bool
	offset int64
}

// An xattrKey is what makes attributes the same.
type xattrKey struct {
	prefix uint8  // which of prefixes the name begins with
	name   string // what follows it
	value  string
}

// prefixes are the beginnings of names, sorted, that an image has as a number. The
// kernel finds no others.
var prefixes = [...]struct {
	text  string
	index uint8
}{
	{"security.", 6},
	{"system.posix_acl_access", 2},
	{"system.posix_acl_default", 3},
	{"trusted.", 4},
	{"user.", 1},
}

// Positions in prefixes.
const (
	aclAccess  = 1
	aclDefault = 2
	trusted    = 3
)

func makeXattr(name, value string) (xattr, error) {
	if len(value) > math.MaxUint16 {
		return xattr{}, fmt.Errorf("extended attribute %s: %d bytes, EROFS holds %d", name, len(value), math.MaxUint16)
	}
	for i, p := range prefixes {
		if rest, ok := strings.CutPrefix(name, p.text); ok {
			return xattr{xattrKey: xattrKey{uint8(i), rest, value}}, nil
		}
	}
	return xattr{}, fmt.Errorf("extended attribute %s: EROFS has no names like this", name)
}

func (x xattr) isACL() bool { return x.prefix == aclAccess || x.prefix == aclDefault }

// compareNames orders by the names that programs know: no prefix begins another.
func compareNames(a, b *xattrKey) int {
	return cmp.Or(cmp.Compare(a.prefix, b.prefix), strings.Compare(a.name, b.name))
}

// entrySize is how many bytes the attribute takes.
func (k *xattrKey) entrySize() int64 {
	return roundUp(int64(xattrEntry+len(k.name)+len(k.value)), 4)
}

// maxShared is how many shared attributes an inode may have: their number is a
// byte, of which mkcomposefs leaves one bit alone.
const maxShared = 0x80

// share finds the attributes that occur more than once and gives them a place.
// Every node's are sorted by name.
func (img *image) share() {
	uses := make(map[xattrKey]int)
	for i := range img.nodes {
		n := &img.nodes[i]
		slices.SortFunc(n.xattrs, func(a, b xattr) int { return compareNames(&a.xattrKey, &b.xattrKey) })
		for k := range n.xattrs {
			uses[n.xattrs[k].xattrKey]++
		}
	}
	for key, n := range uses {
		if n > 1 {
			img.shared = append(img.shared, key)
		}
	}
	slices.SortFunc(img.shared, func(a, b xattrKey) int { return compareShared(&b, &a) })
	offsets := make(map[xattrKey]int64, len(img.shared))
	for _, key := range img.shared {
		offsets[key] = img.sharedSize
		img.sharedSize += key.entrySize()
	}
	for i := range img.nodes {
		n := 0
		xattrs := img.nodes[i].xattrs
		for k := range xattrs {
			if at, ok := offsets[xattrs[k].xattrKey]; ok && n < maxShared {
				xattrs[k].shared, xattrs[k].offset = true, at
				n++
			}
		}
	}
}

// compareShared orders by name, then from short values to long ones.
func compareShared(a, b *xattrKey) int {
	return cmp.Or(
		compareNames(a, b),
		cmp.Compare(len(a.value), len(b.value)),
		strings.Compare(a.value, b.value),
	)
}

// xattrSize is how many bytes a node's attributes take behind its inode.
func (n *node) xattrSize() int64 {
	if len(n.xattrs) == 0 {
		return 0
	}
	size := int64(xattrHead)
	for k := range n.xattrs {
		if n.xattrs[k].shared {
			size += xattrEntry
		} else {
			size += n.xattrs[k].entrySize()
		}
	}
	return size
}

// filterSeed is what the hash of an attribute's name begins with.
const filterSeed = 0x25BBE08F

// nameFilter is a Bloom filter of the names of a node's attributes, with a zero for
// those that it may have: it saves the kernel from looking.
func (n *node) nameFilter() uint32 {
	filter := uint32(math.MaxUint32)
	for k := range n.xattrs {
		x := &n.xattrs[k]
		filter &^= 1 << (xxh32(x.name, filterSeed+uint32(prefixes[x.prefix].index)) % 32)
	}
	return filter
}
