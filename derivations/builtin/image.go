package builtin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"

	"sysc/internal/download"
	"sysc/internal/ocifetch"
	"sysc/store"
	"sysc/store/tree"
)

// layerDownloads is how many layers of one image are fetched at once.
const layerDownloads = 4

type imageAttrs struct {
	// Image is the name of a repository with its host, and Digest that of a manifest or
	// index in it.
	Image  string `json:"image"`
	Digest string `json:"digest"`
	// Platform chooses from an index, as in "linux/amd64".
	Platform string `json:"platform"`
	// Unknown means that nobody knows the result's digest yet: the step fails and tells
	// it.
	Unknown bool `json:"unknown"`
}

// fetchImage fetches an image whose root is known beforehand. Its attributes are
// imageAttrs.
//
// The layers of an image are applied in order to a root, with owners, modes and
// extended attributes. Those of anything else become files, called by their titles
// or else by their digests.
func fetchImage(ctx context.Context, s *Step) error {
	var attrs imageAttrs
	if err := s.Attrs(&attrs); err != nil {
		return err
	}
	fixed := s.Derivation.Fixed
	if fixed == nil || fixed.Kind != store.KindRoot {
		return fmt.Errorf("fetch %q: only an image whose root is known can be fetched", s.Derivation.Name)
	}
	reference, err := ocifetch.ParseReference(attrs.Image + "@" + attrs.Digest)
	if err != nil {
		return err
	}
	got, err := s.ImageTree(ctx, reference, attrs.Platform)
	switch {
	case err != nil:
		return err
	case attrs.Unknown:
		return &UnknownHashError{URL: reference.String(), Got: got}
	case got != fixed.Digest:
		return &download.HashError{URL: reference.String(), Want: fixed.Digest, Got: got}
	}
	s.SetTree(s.Derivation.OutputNames()[0], store.KindRoot, got, nil)
	return nil
}

// ImageTree puts what an image has for a platform into the store, and returns the
// digest of its root: what "builtin:image" makes. Of the step it uses Store,
// Registries, Download, TempDir, DownloadDir, Progress and Log.
func (s *Step) ImageTree(ctx context.Context, r ocifetch.Reference, platform string) (store.Digest, error) {
	client := s.Registries
	if client == nil {
		client = &ocifetch.Client{Download: s.Download}
	}
	opened, err := client.Open(ctx, r, platform)
	if err != nil {
		return store.Digest{}, err
	}
	f := &layerFetch{step: s, image: opened, arrived: make([]int64, len(opened.Layers))}
	for _, l := range opened.Layers {
		f.total += l.Size
	}
	root, err := f.root(ctx)
	if err != nil {
		return store.Digest{}, err
	}
	top, err := root.top.write(ctx, s.Store)
	return top.Digest, err
}

// A layerFetch is the layers of one image on their way.
type layerFetch struct {
	step    *Step
	image   *ocifetch.Image
	workers sync.WaitGroup
	total   int64

	mu      sync.Mutex
	arrived []int64 // bytes, by layer
}

// root fetches all layers and applies them.
func (f *layerFetch) root(ctx context.Context) (*image, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer f.workers.Wait()
	defer cancel(nil)
	there := f.start(ctx, cancel)
	root := newImage()
	for i := range there {
		select {
		case <-there[i]:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if err := f.layer(ctx, i, root); err != nil {
			return nil, err
		}
	}
	return root, nil
}

// start fetches all layers, a few at a time, the first ones first. Each channel of
// the result is told once that its layer is there.
func (f *layerFetch) start(ctx context.Context, cancel context.CancelCauseFunc) []chan struct{} {
	there := make([]chan struct{}, len(f.image.Layers))
	for i := range there {
		there[i] = make(chan struct{})
	}
	next := make(chan int)
	f.workers.Go(func() {
		defer close(next)
		for i := range there {
			select {
			case next <- i:
			case <-ctx.Done():
				return
			}
		}
	})
	for range min(layerDownloads, len(there)) {
		f.workers.Go(func() {
			for i := range next {
				if err := f.fetch(ctx, i); err != nil {
					cancel(err)
					return
				}
				close(there[i])
			}
		})
	}
	return there
}

// fetch gets one layer into the store.
func (f *layerFetch) fetch(ctx context.Context, i int) error {
	l := f.image.Layers[i]
	ctx, client, request := f.image.Fetcher(ctx, l)
	request.Progress = func(done, _ int64) { f.progress(i, done) }
	_, size, err := f.step.fetchOnce(ctx, client, request)
	if err != nil {
		return fmt.Errorf("layer %d: %w", i+1, err)
	}
	if size != l.Size {
		return f.wrong(i, fmt.Errorf("it has %d bytes, and the manifest says %d", size, l.Size))
	}
	f.progress(i, size)
	return nil
}

// progress tells how much has arrived of all layers.
func (f *layerFetch) progress(i int, done int64) {
	f.mu.Lock()
	f.arrived[i] = done
	all := int64(0)
	for _, n := range f.arrived {
		all += n
	}
	f.mu.Unlock()
	f.step.Progress(all, f.total)
}

// wrong says that a layer cannot be what the image needs.
func (f *layerFetch) wrong(i int, cause error) error {
	return &ocifetch.VerifyError{What: f.image.Reference.String(), Cause: fmt.Errorf("layer %d, %s: %w", i+1, f.image.Layers[i].Digest, cause)}
}

// layer puts one layer on top of those before.
func (f *layerFetch) layer(ctx context.Context, i int, to *image) error {
	l := f.image.Layers[i]
	blob, err := f.step.Store.OpenBlob(ctx, store.Digest(l.Digest))
	if err != nil {
		return err
	}
	defer blob.Close()
	to.layer = i + 1
	if f.image.Artifact {
		return f.file(ctx, i, blob, to)
	}
	plain, err := openLayer(blob, l.Compression)
	if err == nil {
		err = readLayer(ctx, f.step.Store, plain, to)
		plain.Close()
	}
	var failed *os.PathError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &failed): // the machine's doing, and not the layer's
		return err
	}
	return f.wrong(i, err)
}

// readLayer reads the archive of a layer.
func readLayer(ctx context.Context, st Store, plain io.Reader, to *image) error {
	u := newUntar(st)
	u.image, u.limits = to, to.limits
	err := u.read(ctx, plain)
	to.limits = u.limits
	return err
}

// file puts a content of an artifact as a file.
func (f *layerFetch) file(ctx context.Context, i int, blob *os.File, to *image) error {
	l := f.image.Layers[i]
	title := l.Title
	if title == "" {
		title = strings.Replace(l.Digest.String(), ":", "-", 1)
	}
	parts, err := splitPath(title)
	if err == nil && len(parts) == 0 {
		err = fmt.Errorf("%q is no name of a file", title)
	}
	if err == nil {
		if _, ok := to.find(parts); ok {
			err = fmt.Errorf("%q occurs twice", title)
		}
	}
	if err != nil {
		return f.wrong(i, err)
	}
	e := tree.Entry{Type: tree.File, Mode: 0o644}
	if e.Digest, e.Size, err = f.step.Store.AddFile(ctx, blob, false); err != nil {
		return err
	}
	if err := to.put(parts, e); err != nil {
		return f.wrong(i, err)
	}
	return nil
}

// openLayer decompresses a layer, whose first bytes have to be those of what its
// type says.
func openLayer(blob io.Reader, compression ocifetch.Compression) (io.ReadCloser, error) {
	input := bufio.NewReaderSize(blob, 256<<10)
	start, err := input.Peek(len(zstdMagic))
	if err != nil && err != io.EOF {
		return nil, err
	}
	is := ocifetch.None
	switch {
	case strings.HasPrefix(string(start), gzipMagic):
		is = ocifetch.Gzip
	case string(start) == zstdMagic:
		is = ocifetch.Zstd
	}
	if is != compression {
		return nil, fmt.Errorf("its type says that its compression is %s, and it is %s", compression, is)
	}
	switch is {
	case ocifetch.Gzip:
		return gzip.NewReader(input)
	case ocifetch.Zstd:
		return newZstdReader(input)
	}
	return io.NopCloser(input), nil
}
