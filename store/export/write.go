package export

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"

	"sysc/store"
	"sysc/store/sign"
)

// ExportOptions says what a stream has besides the objects. The zero value is a
// stream for an empty store, with the signatures that the source has.
type ExportOptions struct {
	// Sign are keys that vouch for every object and realisation of the stream.
	// Their signatures are in the stream only.
	Sign []sign.SecretKey
	// Realisations of the objects, and of those in their closure, go with them.
	Realisations bool
	// Have are objects that the receiver has. They are left out with their
	// closure, as is whatever contents others have in common with them. The
	// receiver refuses the stream when it lacks one that matters.
	Have []store.Path
	// Progress may be nil.
	Progress Progress
}

// ExportResult counts what a stream has.
type ExportResult struct {
	Objects      int `json:"objects"`
	Realisations int `json:"realisations"`
	Blobs        int `json:"blobs"`
	Trees        int `json:"trees"`
	// Bytes is the length of the stream.
	Bytes int64 `json:"bytes"`
	// Needs are the objects that the receiver has to have, sorted.
	Needs []store.Path `json:"-"`
}

// Export writes the closure of paths to w. What the source lacks is
// store.ErrNotExist, wrapped. Contents are hashed as they are written; damage in
// the source ends the export with an error, and the stream without an end.
func Export(ctx context.Context, w io.Writer, src Source, paths []store.Path, opts ExportOptions) (ExportResult, error) {
	result, err := export(ctx, w, src, paths, opts)
	if err != nil {
		return result, fmt.Errorf("export: %w", err)
	}
	return result, nil
}

func export(ctx context.Context, w io.Writer, src Source, paths []store.Path, opts ExportOptions) (ExportResult, error) {
	p, err := newPlan(ctx, src, paths, opts)
	if err != nil {
		return ExportResult{}, err
	}
	e := &exporter{src: src, plan: p, progress: opts.Progress, hash: sha256.New(), buf: make([]byte, bufferSize)}
	e.w = bufio.NewWriterSize(w, bufferSize)
	return e.result, e.write(ctx)
}

// bufferSize is how much is read or written at once, in bytes.
const bufferSize = 256 << 10

// An exporter writes a plan.
type exporter struct {
	src      Source
	plan     *plan
	progress Progress
	w        *bufio.Writer
	hash     hash.Hash // of all but the contents of blobs
	done     int64
	buf      []byte
	result   ExportResult
}

func (e *exporter) write(ctx context.Context) error {
	if err := e.bytes([]byte(magic)); err != nil {
		return err
	}
	if err := e.plan.writeTable(e); err != nil {
		return err
	}
	for _, c := range e.plan.contents {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := e.content(ctx, c); err != nil {
			return err
		}
		e.tell()
	}
	e.result.Needs = e.plan.needs
	e.result.Objects, e.result.Realisations = len(e.plan.objects), len(e.plan.realisations)
	sum := e.sum()
	if err := e.frame(kindEnd, sum[:]); err != nil {
		return err
	}
	if err := e.w.Flush(); err != nil {
		return err
	}
	if e.result.Bytes = e.done; e.done != e.plan.total {
		return fmt.Errorf("%d bytes written, %d were planned", e.done, e.plan.total)
	}
	e.tell()
	return nil
}

func (e *exporter) tell() {
	if e.progress != nil {
		e.progress(e.done, e.plan.total)
	}
}

func (e *exporter) content(ctx context.Context, c content) error {
	switch c.kind {
	case kindTree:
		e.result.Trees++
		t, err := e.src.Tree(ctx, c.digest)
		if err != nil {
			return err
		}
		data, err := t.Encode()
		if err != nil {
			return err
		}
		if got := store.DigestOf(data); got != c.digest {
			return fmt.Errorf("tree %s: damaged: it has digest %s", c.digest, got)
		}
		return e.frame(kindTree, data)
	case kindBlob:
		e.result.Blobs++
		if err := e.blob(ctx, c); err != nil {
			return fmt.Errorf("blob %s: %w", c.digest, err)
		}
		return nil
	}
	return e.frame(kindComplete, []byte(e.plan.objects[c.object].object.Path))
}

// blob copies a blob, and looks whether it is what it is called.
func (e *exporter) blob(ctx context.Context, c content) error {
	f, err := e.src.OpenBlob(ctx, c.digest)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := e.head(kindBlob, c.payload(e.plan)); err != nil {
		return err
	}
	if err := e.bytes(c.digest[:]); err != nil {
		return err
	}
	h := sha256.New()
	for left := c.size; left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := f.Read(e.buf[:min(left, int64(len(e.buf)))])
		if n == 0 && err != nil {
			return fmt.Errorf("damaged: %d bytes are missing: %w", left, err)
		}
		h.Write(e.buf[:n])
		if _, err := e.w.Write(e.buf[:n]); err != nil {
			return err
		}
		left -= int64(n)
		e.done += int64(n)
		e.tell()
	}
	if got := store.Digest(h.Sum(nil)); got != c.digest {
		return fmt.Errorf("damaged: its bytes have digest %s; see sysc store verify", got)
	}
	return nil
}

func (e *exporter) head(k kind, length int64) error {
	return e.bytes(binary.LittleEndian.AppendUint64([]byte{byte(k)}, uint64(length)))
}

func (e *exporter) frame(k kind, payload []byte) error {
	if err := e.head(k, int64(len(payload))); err != nil {
		return err
	}
	return e.bytes(payload)
}

func (e *exporter) bytes(data []byte) error {
	e.hash.Write(data)
	e.done += int64(len(data))
	_, err := e.w.Write(data)
	return err
}

func (e *exporter) sum() store.Digest { return store.Digest(e.hash.Sum(nil)) }
