package modules

import (
	"context"
	"io"
	"strings"

	"sysc/derivations"
	"sysc/derivations/builtin"
	"sysc/lang/diag"
	"sysc/store"
	"sysc/systems/distro/debian"
)

// A File is one that evaluation, locking or a build needs, known by its digest.
type File struct {
	SHA256 store.Digest
	// Size is in bytes, 0 when it is not known.
	Size int64
	// Fetch is the step of a build that gets the file; the zero Ref for others.
	Fetch derivations.Ref
	// Open opens the file, which is fetched unless it is at hand; nil where Fetch does
	// that. The caller compares what it reads with the digest.
	Open func(ctx context.Context) (io.ReadCloser, error)
}

// Indexes returns the indexes of archives that the lock file pins, each once: what
// locking needs to resolve packages. get returns what gets an input's files.
func (p *Project) Indexes(get func(debian.Settings) debian.Fetcher) ([]File, diag.List) {
	var files []File
	var diags diag.List
	seen := map[store.Digest]bool{}
	for _, m := range p.work.modules() {
		for _, label := range labels(m.Definition.Inputs) {
			in, more := p.anyInput(m, label, diag.Range{})
			diags = append(diags, more...)
			if in == nil || in.fetched != nil {
				continue
			}
			fetcher := get(in.settings)
			for _, index := range p.lock.Inputs[in.name].Revision.All().Indexes {
				if seen[index.SHA256] {
					continue
				}
				seen[index.SHA256] = true
				files = append(files, File{SHA256: index.SHA256, Size: index.Size, Open: func(ctx context.Context) (io.ReadCloser, error) {
					return fetcher.Fetch(ctx, index.Request())
				}})
			}
		}
	}
	return files, diags.Sort()
}

// Fetched evaluates the definition and returns the files that its builds fetch, each
// once. others are the steps that fetch something else: trees from git, images.
func (p *Project) Fetched(ctx context.Context) (files []File, others []derivations.Hash, diags diag.List) {
	diags = p.Validate(ctx)
	if diags.HasErrors() {
		return nil, nil, diags
	}
	seen := map[store.Digest]bool{}
	for _, h := range p.Graph().Hashes() {
		d, _ := p.Graph().Derivation(h)
		switch {
		case d.Fixed == nil || !strings.HasPrefix(d.Builder, derivations.BuiltinPrefix):
		case d.Builder != builtin.BuilderFetch:
			others = append(others, h)
		case !seen[d.Fixed.Digest]:
			seen[d.Fixed.Digest] = true
			ref := derivations.Ref{Derivation: h, Output: d.OutputNames()[0]}
			files = append(files, File{SHA256: d.Fixed.Digest, Size: d.Fixed.Size, Fetch: ref})
		}
	}
	return files, others, diags
}
