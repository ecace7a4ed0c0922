package grub

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ulikunitz/xz/lzma"

	"sysc/store"
	"sysc/store/localstore"
	"sysc/store/tree"
)

const config = "search.fs_uuid 0123-abcd root\n"

// A sample is a root with the host's GRUB.
type sample struct {
	*localstore.Store
	root store.Digest
}

func newSample(t *testing.T) *sample {
	t.Helper()
	if _, err := os.Stat("/" + Dir); err != nil {
		t.Skip("GRUB is not installed: apt-get install grub-pc-bin grub-common")
	}
	s, err := localstore.Open(t.Context(), t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	b := tree.NewBuilder(s, store.Digest{})
	files, err := os.ReadDir("/" + Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join("/", Dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		e := tree.Entry{Type: tree.File, Mode: 0o644}
		if e.Digest, e.Size, err = s.AddBlob(t.Context(), bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		if err := b.Put(t.Context(), Dir+"/"+f.Name(), e); err != nil {
			t.Fatal(err)
		}
	}
	w := &sample{Store: s}
	w.root, _, err = b.Write(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// unpack returns what is compressed in a core, and what unpacks it without the numbers
// that depend on how well that was done.
func unpack(t *testing.T, core []byte) (payload, program []byte) {
	t.Helper()
	const programSize = 2848 // of lzma_decompress.img, larger in later versions
	info, err := os.Stat("/" + Dir + "/lzma_decompress.img")
	if err != nil {
		t.Fatal(err)
	}
	size := max(programSize, int(info.Size()))
	program = bytes.Clone(core[:size])
	unpacked := binary.LittleEndian.Uint32(program[unpackedSize:])
	clear(program[packedSize : packedSize+4])
	header := binary.LittleEndian.AppendUint32([]byte{0x5D}, 1<<16)
	header = binary.LittleEndian.AppendUint64(header, uint64(unpacked))
	r, err := lzma.NewReader(io.MultiReader(bytes.NewReader(header), bytes.NewReader(core[size:])))
	if err != nil {
		t.Fatal(err)
	}
	payload, err = io.ReadAll(r)
	if err != nil || len(payload) != int(unpacked) {
		t.Fatalf("%d bytes of %d, %v", len(payload), unpacked, err)
	}
	return payload, program
}

// Cores are those of grub-mkimage, in everything but how well they are compressed.
func TestLikeMkimage(t *testing.T) {
	program, err := exec.LookPath("grub-mkimage")
	if err != nil {
		t.Skip("grub-mkimage is not installed: apt-get install grub-common")
	}
	w := newSample(t)
	dir := t.TempDir()
	early := filepath.Join(dir, "config")
	if err := os.WriteFile(early, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	_, disc, err := Disc(t.Context(), w, w.root, config, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	_, disk, err := Disk(t.Context(), w, w.root, config, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for format, c := range map[string]struct {
		mine    []byte
		head    int
		modules []string
	}{
		"i386-pc":          {disk, sectorSize, modules},
		"i386-pc-eltorito": {disc, (DiscLoad + 1) * sectorSize, append(append([]string(nil), modules...), discModules...)},
	} {
		path := filepath.Join(dir, format)
		args := append([]string{"-O", format, "-d", "/" + Dir, "-p", "/grub", "-c", early, "-o", path}, c.modules...)
		if out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput(); err != nil {
			t.Fatalf("grub-mkimage: %v\n%s", err, out)
		}
		theirs, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		wantPayload, wantProgram := unpack(t, theirs[c.head:])
		payload, unpacker := unpack(t, c.mine[c.head:])
		if !bytes.Equal(unpacker, wantProgram) {
			t.Errorf("%s: what unpacks it differs", format)
		}
		if !sameModules(t, payload, wantPayload) {
			t.Errorf("%s: kernel and modules differ: %d bytes, grub-mkimage has %d", format, len(payload), len(wantPayload))
		}
	}
	if start := binary.LittleEndian.Uint64(disk[blockListStart:]); start != 2049 {
		t.Errorf("the core goes on at sector %d", start)
	}
}

// sameModules compares what is in two cores. Of modules only those count that both need:
// their order is free as long as each stands behind what it needs.
func sameModules(t *testing.T, a, b []byte) bool {
	t.Helper()
	kernelA, partsA := split(t, a)
	kernelB, partsB := split(t, b)
	return bytes.Equal(kernelA, kernelB) && cmp.Diff(partsA, partsB) == ""
}

// split returns a kernel, and how often each part stands behind it.
func split(t *testing.T, payload []byte) (kernel []byte, parts map[string]int) {
	t.Helper()
	at := bytes.Index(payload, append(binary.LittleEndian.AppendUint32(nil, modulesMagic), modulesHead, 0, 0, 0))
	if at < 0 {
		t.Fatal("no modules")
	}
	kernel, parts = payload[:at], map[string]int{}
	for rest := payload[at+modulesHead:]; len(rest) > 0; {
		size := binary.LittleEndian.Uint32(rest[4:])
		parts[string(rest[:size])]++
		rest = rest[size:]
	}
	return kernel, parts
}

func TestSameBytes(t *testing.T) {
	w := newSample(t)
	_, first, err := Disk(t.Context(), w, w.root, config, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, second, err := Disk(t.Context(), w, w.root, config, 2048)
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("two cores differ, %v", err)
	}
}

func TestWithout(t *testing.T) {
	w := newSample(t)
	empty, _, err := tree.NewBuilder(w, store.Digest{}).Write(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := IsIn(t.Context(), w, empty); ok || err != nil {
		t.Errorf("GRUB is in an empty root: %v, %v", ok, err)
	}
	if ok, err := IsIn(t.Context(), w, w.root); !ok || err != nil {
		t.Errorf("GRUB is not where it is: %v, %v", ok, err)
	}
	if _, _, err := Disk(t.Context(), w, empty, config, 1); err == nil {
		t.Error("a core was made of nothing")
	}
}

func TestEnvironment(t *testing.T) {
	program, _ := exec.LookPath("grub-editenv")
	for _, e := range []Environment{{Good: "sysc-1"}, {Good: "sysc-41", Next: "sysc-42", Tries: 3}, {Good: "sysc-1", Next: "sysc-2", Tries: MaxTries}} {
		data, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseEnvironment(data)
		if err != nil || *got != e {
			t.Errorf("%+v, %v, want %+v", got, err, e)
		}
		if program == "" {
			continue
		}
		path := filepath.Join(t.TempDir(), "grubenv")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), program, path, "set", "sysc_tries=0").CombinedOutput()
		if err != nil {
			t.Fatalf("grub-editenv: %v\n%s", err, out)
		}
		if data, err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
		want := e
		want.Tries = 0
		if got, err := ParseEnvironment(data); err != nil || *got != want {
			t.Errorf("after grub-editenv: %+v, %v, want %+v", got, err, want)
		}
	}
	for _, e := range []Environment{{}, {Good: "x", Tries: 10}, {Good: "a\nb"}, {Good: "$x"}} {
		if data, err := e.Encode(); err == nil {
			t.Errorf("%+v: %q", e, data)
		}
	}
}

func FuzzParseEnvironment(f *testing.F) {
	data, err := (&Environment{Good: "sysc-1", Next: "sysc-2", Tries: 3}).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := ParseEnvironment(data)
		if err != nil {
			return
		}
		again, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseEnvironment(again); err != nil || *got != *e {
			t.Errorf("%+v, %v, want %+v", got, err, e)
		}
	})
}

// Menus are scripts that GRUB's own checker takes, whatever is in their texts.
func TestMenu(t *testing.T) {
	odd := "it's $HOME; `reboot` \"x\" \\ {}"
	menu := Menu([]Entry{
		{ID: "sysc-1", Title: odd, Linux: "/linux", Initrd: "/initrd", Options: "quiet a='b c' $x ; reboot"},
		{ID: "sysc-2", Title: "two", Linux: "/linux"},
	}, true, 3)
	for _, want := range []string{`--id 'sysc-1'`, `linux '/linux' 'quiet' 'a='\''b' 'c'\''' '$x' ';' 'reboot'`, `menuentry 'it'\''s $HOME;`} {
		if !strings.Contains(string(menu), want) {
			t.Errorf("no %s in\n%s", want, menu)
		}
	}
	program, err := exec.LookPath("grub-script-check")
	if err != nil {
		t.Skip("grub-script-check is not installed: apt-get install grub-common")
	}
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Stdin = bytes.NewReader(menu)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("grub-script-check: %v\n%s%s", err, out, menu)
	}
}
