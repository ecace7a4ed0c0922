package image

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"sysc/store"
	"sysc/store/tree"
	"sysc/systems/earlyboot"
)

// ownEtc puts files where a machine keeps what it changed in /etc.
func ownEtc(ctx context.Context, st Store, data store.Digest, texts map[string]string) (store.Digest, int64, error) {
	b := tree.NewBuilder(st, data)
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		d, n, err := st.AddBlob(ctx, strings.NewReader(texts[name]))
		if err != nil {
			return store.Digest{}, 0, err
		}
		at := path.Join(earlyboot.EtcDir, name)
		if err := b.Put(ctx, at, tree.Entry{Type: tree.File, Mode: 0o644, Digest: d, Size: n}); err != nil {
			return store.Digest{}, 0, fmt.Errorf("put /etc/%s of the machine: %w", name, err)
		}
	}
	return b.Write(ctx, st)
}
