package erofs

import (
	"context"
	"fmt"
	"io"
	"strings"

	"sysc/store"
	"sysc/store/tree"
)

// Names of attributes that overlayfs reads, without the prefix "trusted.".
const (
	overlayPrefix   = "overlay."
	overlayMetacopy = overlayPrefix + "metacopy"
	overlayRedirect = overlayPrefix + "redirect"
	overlayOpaque   = overlayPrefix + "opaque"
)

// WriteComposefs writes the tree root of src without the contents of its files.
// blob returns where the contents of a file, which is not empty, are found below
// the directory that is the data layer of the mount, as a relative path. root's own
// directory gets mode 0755 and belongs to root.
//
// To mount it: the image as EROFS, then an overlay with it as the lower layer and the
// data as data-only layer, metacopy and redirect_dir on.
func WriteComposefs(ctx context.Context, w io.Writer, src tree.Source, root store.Digest, blob func(e *tree.Entry) string) error {
	// A kernel without data-only layers shows the names in the data layer, too.
	img := &image{whiteouts: shards()}
	if err := img.collect(ctx, src, root); err != nil {
		return fmt.Errorf("write composefs image of %s: %w", root, err)
	}
	for i := range img.nodes {
		img.nodes[i].overlay(blob)
	}
	img.nodes[0].xattrs = append(img.nodes[0].xattrs, overlayXattr(overlayOpaque, "y"))
	if err := img.write(ctx, w, nil); err != nil {
		return fmt.Errorf("write composefs image of %s: %w", root, err)
	}
	return nil
}

func overlayXattr(name, value string) xattr {
	return xattr{xattrKey: xattrKey{trusted, name, value}}
}

// overlay gives a node the attributes that tell overlayfs where its contents are.
// Those of that kind that it has are quoted: they are for an overlay in the machine.
func (n *node) overlay(blob func(e *tree.Entry) string) {
	for i := range n.xattrs {
		if x := &n.xattrs[i]; x.prefix == trusted && strings.HasPrefix(x.name, overlayPrefix) {
			x.name = overlayPrefix + x.name
		}
	}
	if n.mode&modeType == modeFile && n.size > 0 {
		e := tree.Entry{Type: tree.File, Mode: n.mode &^ modeType, Size: n.size, Digest: n.digest}
		n.xattrs = append(n.xattrs, overlayXattr(overlayMetacopy, ""), overlayXattr(overlayRedirect, "/"+blob(&e)))
	}
}

// shards are the names of the directories that blobs are in.
func shards() []string {
	names := make([]string, 256)
	for i := range names {
		names[i] = fmt.Sprintf("%02x", i)
	}
	return names
}
