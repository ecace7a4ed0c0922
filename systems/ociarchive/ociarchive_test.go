package ociarchive

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"sysc/systems/mounttest"
	"sysc/systems/tarball"
)

func archiveOf(t *testing.T, w *mounttest.World, c tarball.Compression) []byte {
	t.Helper()
	var b bytes.Buffer
	err := Write(t.Context(), &b, w, w.Root, Options{
		Platform: "linux/arm64", Name: "laptop:latest", Command: []string{"/sbin/init"}, StopSignal: "SIGRTMIN+3", Compression: c,
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The library that others read images with finds nothing wrong, and the tree in it.
func TestRead(t *testing.T) {
	w := mounttest.NewWorld(t)
	for _, c := range []tarball.Compression{tarball.None, tarball.Gzip, tarball.Zstd} {
		dir := t.TempDir()
		untar(t, dir, bytes.NewReader(archiveOf(t, w, c)))
		idx, err := layout.ImageIndexFromPath(dir)
		if err != nil {
			t.Fatal(err)
		}
		m, err := idx.IndexManifest()
		if err != nil || len(m.Manifests) != 1 {
			t.Fatalf("%d manifests, %v", len(m.Manifests), err)
		}
		if got := m.Manifests[0]; got.Platform.String() != "linux/arm64" || got.Annotations[refName] != "latest" {
			t.Errorf("%+v", got)
		}
		img, err := idx.Image(m.Manifests[0].Digest)
		if err != nil {
			t.Fatal(err)
		}
		if c == tarball.Gzip { // it takes every layer for one
			if err := validate.Image(img); err != nil {
				t.Error(err)
			}
		}
		f, err := img.ConfigFile()
		if err != nil || cmp.Diff([]string{"/sbin/init"}, f.Config.Cmd) != "" || f.Config.StopSignal != "SIGRTMIN+3" || f.Architecture != "arm64" {
			t.Errorf("%+v, %v", f, err)
		}
		if os.Geteuid() != 0 {
			continue // cannot give files to others
		}
		layers, err := img.Layers()
		if err != nil || len(layers) != 1 {
			t.Fatalf("%d layers, %v", len(layers), err)
		}
		plain, err := layers[0].Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		root := t.TempDir()
		untar(t, root, plain)
		w.Compare(t, root)
	}
}

func untar(t *testing.T, dir string, r io.Reader) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "tar", "-x", "-p", "--numeric-owner", "--xattrs", "--xattrs-include=*", "-C", dir)
	cmd.Stdin = r
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
}

func TestReadBySkopeo(t *testing.T) {
	program, err := exec.LookPath("skopeo")
	if err != nil {
		t.Skip("skopeo is not installed: apt-get install skopeo")
	}
	w := mounttest.NewWorld(t)
	path := filepath.Join(t.TempDir(), "image.tar")
	if err := os.WriteFile(path, archiveOf(t, w, tarball.Gzip), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), program, "--override-arch", "arm64", "inspect", "oci-archive:"+path+":latest").CombinedOutput()
	var got struct{ Architecture, Os string }
	if err != nil || json.Unmarshal(out, &got) != nil || got.Architecture != "arm64" || got.Os != "linux" {
		t.Errorf("skopeo: %v\n%s", err, out)
	}
}

func TestSameBytes(t *testing.T) {
	if !bytes.Equal(archiveOf(t, mounttest.NewWorld(t), tarball.Gzip), archiveOf(t, mounttest.NewWorld(t), tarball.Gzip)) {
		t.Error("two images of one tree differ")
	}
}

func TestRefuses(t *testing.T) {
	w := mounttest.NewWorld(t)
	for _, opts := range []Options{{Platform: "linux", Compression: tarball.Gzip}, {Platform: "linux/amd64", Compression: "xz"}} {
		if err := Write(t.Context(), io.Discard, w, w.Root, opts); err == nil {
			t.Errorf("%+v was accepted", opts)
		}
	}
}
