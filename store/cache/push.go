package cache

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/klauspost/compress/zstd"

	"sysc/internal/atomicfile"
	"sysc/store"
	"sysc/store/export"
	"sysc/store/sign"
)

// A PushResult counts what became of a push.
type PushResult struct {
	// Objects were written, Present of the closure were there before.
	Objects int `json:"objects"`
	Present int `json:"present"`
	// Results are the derivations whose outputs were written or signed.
	Results int `json:"results"`
	// Bytes is the size of the streams that were written.
	Bytes int64 `json:"bytes"`
	// Conflicts are results that the cache has otherwise, which stay.
	Conflicts []store.Realisation `json:"-"`
}

// Push puts objects with all that they refer to into a cache, which is a directory
// that is there and empty, or a cache already; and the results of derivations,
// whatever their objects. keys sign all of it. progress, which may be nil, is told how many bytes of objects
// are done. The files of an object are there
// before anything that leads to it, each durably and whole.
func Push(ctx context.Context, src export.Source, dir string, paths []store.Path, results []store.Realisation, keys []sign.SecretKey, progress func(done, total int64)) (PushResult, error) {
	p := &pusher{src: src, dir: dir, keys: keys}
	if err := p.push(ctx, paths, results, progress); err != nil {
		return p.result, fmt.Errorf("push to %s: %w", dir, err)
	}
	return p.result, nil
}

type pusher struct {
	src    export.Source
	dir    string
	keys   []sign.SecretKey
	result PushResult
}

func (p *pusher) push(ctx context.Context, paths []store.Path, results []store.Realisation, progress func(done, total int64)) error {
	if err := p.begin(); err != nil {
		return err
	}
	closure, err := p.src.Closure(ctx, paths)
	if err != nil {
		return err
	}
	objects := make([]store.Object, len(closure))
	var done, total int64
	for i, path := range closure {
		if objects[i], err = p.src.Object(ctx, path); err != nil {
			return err
		}
		total += objects[i].Size
	}
	for i := range objects {
		if err := p.object(ctx, &objects[i]); err != nil {
			return fmt.Errorf("%s: %w", objects[i].Path, err)
		}
		if done += objects[i].Size; progress != nil {
			progress(done, total)
		}
	}
	return p.results(ctx, results)
}

// begin makes the directory a cache.
func (p *pusher) begin() error {
	marker := filepath.Join(p.dir, markerFile)
	data, err := os.ReadFile(marker)
	switch {
	case err == nil && string(data) == cacheMagic+"\n":
		return nil
	case err == nil:
		return errors.New("it is a cache of another format")
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return errors.New("it is not empty, and no cache")
	}
	return atomicfile.WriteFile(marker, []byte(cacheMagic+"\n"), fileMode)
}

const (
	dirMode  = 0o755
	fileMode = 0o644
)

// write replaces a file of the cache.
func (p *pusher) write(file string, data []byte) error {
	name := filepath.Join(p.dir, file)
	if err := os.MkdirAll(filepath.Dir(name), dirMode); err != nil {
		return err
	}
	return atomicfile.WriteFile(name, data, fileMode)
}

// object writes an object, or adds signatures to one that is there.
func (p *pusher) object(ctx context.Context, o *store.Object) error {
	sigs, err := p.src.Signatures(ctx, o.Path)
	if err != nil {
		return err
	}
	for _, k := range p.keys {
		sigs = append(sigs, k.Sign(sign.Object(o)))
	}
	known, info := p.known(o.Path)
	if info == nil {
		if info, err = p.stream(ctx, o); err != nil {
			return err
		}
		p.result.Objects++
		p.result.Bytes += info.size
	} else {
		p.result.Present++
	}
	info.signatures = sign.Merge(info.signatures, sigs)
	if data := info.encode(); string(data) != string(known) {
		return p.write(objectFile(o.Path), data)
	}
	return nil
}

// known returns what the cache has of an object, nil when that is not all of it.
func (p *pusher) known(path store.Path) ([]byte, *objectInfo) {
	data, err := os.ReadFile(filepath.Join(p.dir, objectFile(path)))
	if err != nil {
		return nil, nil
	}
	info, err := decodeObject(data)
	if err != nil {
		return nil, nil
	}
	stat, err := os.Stat(filepath.Join(p.dir, streamFile(info.stream)))
	if err != nil || stat.Size() != info.size {
		return nil, nil
	}
	return data, info
}

// stream writes the stream of an object without what it refers to.
func (p *pusher) stream(ctx context.Context, o *store.Object) (_ *objectInfo, err error) {
	dir := filepath.Join(p.dir, "streams")
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, ".new-")
	if err != nil {
		return nil, err
	}
	defer func() {
		f.Close()
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	hash := sha256.New()
	packed, err := zstd.NewWriter(io.MultiWriter(f, hash))
	if err != nil {
		return nil, err
	}
	result, err := export.Export(ctx, packed, unsigned{p.src}, []store.Path{o.Path}, export.ExportOptions{Have: o.References})
	if err := errors.Join(err, packed.Close()); err != nil {
		return nil, err
	}
	info := &objectInfo{needs: result.Needs, stream: store.Digest(hash.Sum(nil))}
	if info.size, err = f.Seek(0, io.SeekCurrent); err != nil {
		return nil, err
	}
	if err := errors.Join(f.Chmod(fileMode), f.Sync()); err != nil {
		return nil, err
	}
	if err := os.Rename(f.Name(), filepath.Join(p.dir, streamFile(info.stream))); err != nil {
		return nil, err
	}
	return info, atomicfile.SyncDir(dir)
}

// unsigned is a source without the signatures of objects, which stand beside streams.
type unsigned struct{ export.Source }

func (unsigned) Signatures(context.Context, store.Path) ([]sign.Signature, error) { return nil, nil }

// results writes what derivations came to.
func (p *pusher) results(ctx context.Context, all []store.Realisation) error {
	byDerivation := map[store.DerivationHash][]Result{}
	for _, r := range all {
		sigs, err := p.src.RealisationSignatures(ctx, r)
		if err != nil {
			return err
		}
		for _, k := range p.keys {
			sigs = append(sigs, k.Sign(sign.Realisation(r)))
		}
		byDerivation[r.Derivation] = append(byDerivation[r.Derivation], Result{r, sign.Merge(sigs)})
	}
	for d, results := range byDerivation {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := p.resultsOf(d, results); err != nil {
			return err
		}
	}
	slices.SortFunc(p.result.Conflicts, func(a, b store.Realisation) int {
		return slices.Compare(store.EncodeRealisation(a), store.EncodeRealisation(b))
	})
	return nil
}

// resultsOf adds to what the cache has of a derivation. What is there stays, so that
// whoever has taken some of it finds the rest.
func (p *pusher) resultsOf(d store.DerivationHash, results []Result) error {
	file := resultsFile(d)
	known, err := os.ReadFile(filepath.Join(p.dir, file))
	if err == nil {
		// What cannot be read is written anew.
		if had, err := decodeResults(known, d); err == nil {
			results = p.merge(had, results)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	data := encodeResults(results)
	if string(data) == string(known) {
		return nil
	}
	p.result.Results++
	return p.write(file, data)
}

// merge adds signatures and outputs to what is there. What another build gave is not
// mixed with it.
func (p *pusher) merge(had, results []Result) []Result {
	out := slices.Clone(had)
	for _, r := range results {
		i := slices.IndexFunc(had, func(h Result) bool { return h.Output == r.Output })
		switch {
		case i < 0:
			out = append(out, r)
		case had[i].Path != r.Path:
			p.result.Conflicts = append(p.result.Conflicts, r.Realisation)
			return had
		default:
			out[i].Signatures = sign.Merge(had[i].Signatures, r.Signatures)
		}
	}
	return out
}
