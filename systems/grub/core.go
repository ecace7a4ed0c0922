package grub

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/ulikunitz/xz/lzma"

	"sysc/store"
	"sysc/store/tree"
)

// Dir is where GRUB's package has its parts, below a root.
const Dir = "usr/lib/grub/i386-pc"

// A Source is where a root is read from: a store.
type Source interface {
	tree.Source
	OpenBlob(ctx context.Context, d store.Digest) (*os.File, error)
}

const (
	sectorSize = 512
	// maxPart bounds a part of GRUB, in bytes.
	maxPart = 4 << 20
	// maxCore is more than fits where a BIOS loads it, in bytes.
	maxCore = 0x78000
	// linkAddress is where GRUB's kernel runs.
	linkAddress = 0x9000
)

// DiscLoad is how many sectors of 512 bytes a BIOS loads of a [Disc]. MaxDisc is more
// than the whole has, in bytes.
const (
	DiscLoad = 4
	MaxDisc  = maxCore + (DiscLoad+1)*sectorSize
)

// Fields of GRUB's parts, as offsets.
const (
	bootKernelSector = 0x5C // of boot.img: where the core begins
	bootDriveCheck   = 0x66 // of boot.img: a jump, which none means the drive that the BIOS names
	blockListStart   = 0x1F4
	blockListLength  = 0x1FC
	packedSize       = 0x08 // of lzma_decompress.img
	unpackedSize     = 0x0C
	discTable        = 0x08 // of cdboot.img: where it is on the disc
)

// Kinds of what stands behind a kernel (include/grub/kernel.h).
const (
	kindModule    = 0
	kindConfig    = 2
	kindPrefix    = 3
	modulesMagic  = 0x676d696d
	modulesHead   = 12
	moduleHead    = 8
	wordAlignment = 4
)

// modules are those of every core: disks, what reads a boot partition, and what a menu
// is made of. discModules are those of discs beside.
var (
	modules = []string{
		"biosdisk", "part_gpt", "fat", "search_fs_uuid", "search_fs_file", "loadenv", "normal", "configfile", "test", "echo", "sleep", "serial", "terminal",
		"linux", "reboot",
	}
	discModules = []string{"iso9660", "loopback"}
)

// parts reads GRUB's package.
type parts struct {
	ctx  context.Context
	src  Source
	root store.Digest
}

// IsIn reports whether a root has GRUB for a BIOS.
func IsIn(ctx context.Context, src Source, root store.Digest) (bool, error) {
	_, e, err := tree.Resolve(ctx, src, root, Dir+"/boot.img")
	if errors.Is(err, store.ErrNotExist) {
		return false, nil
	}
	return err == nil && e.Type == tree.File, err
}

func (p *parts) read(name string) ([]byte, error) {
	_, e, err := tree.Resolve(p.ctx, p.src, p.root, Dir+"/"+name)
	if err != nil {
		return nil, fmt.Errorf("read GRUB's %s: %w", name, err)
	}
	if e.Type != tree.File || e.Size > maxPart {
		return nil, fmt.Errorf("read GRUB's %s: not a file of at most %d bytes", name, maxPart)
	}
	f, err := p.src.OpenBlob(p.ctx, e.Digest)
	if err != nil {
		return nil, fmt.Errorf("read GRUB's %s: %w", name, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, e.Size+1))
	if err == nil && store.DigestOf(data) != e.Digest {
		err = errors.New("the store's copy is damaged")
	}
	if err != nil {
		return nil, fmt.Errorf("read GRUB's %s: %w", name, err)
	}
	return data, nil
}

// sized reads a part that has to have some bytes.
func (p *parts) sized(name string, least int) ([]byte, error) {
	data, err := p.read(name)
	if err == nil && len(data) < least {
		err = fmt.Errorf("read GRUB's %s: %d bytes, at least %d", name, len(data), least)
	}
	return data, err
}

// Disk returns what starts GRUB from a disk: the code of its first sector, which stands
// before what partition tables have there, and a core that begins at the sector core. The
// configuration is carried out first of all.
func Disk(ctx context.Context, src Source, root store.Digest, config string, core int64) (sector, image []byte, err error) {
	p := &parts{ctx, src, root}
	if sector, err = p.firstSector(core); err != nil {
		return nil, nil, err
	}
	image, err = p.image(config, modules)
	if err != nil {
		return nil, nil, err
	}
	placeOnDisk(image, core)
	return sector, image, nil
}

// firstSector returns the code of a disk's first sector.
func (p *parts) firstSector(core int64) ([]byte, error) {
	const code = 440
	first, err := p.sized("boot.img", sectorSize)
	if err != nil {
		return nil, err
	}
	binary.LittleEndian.PutUint64(first[bootKernelSector:], uint64(core))
	copy(first[bootDriveCheck:], "\x90\x90")
	return first[:code], nil
}

// placeOnDisk says where on a disk an image begins, in sectors.
func placeOnDisk(image []byte, start int64) {
	binary.LittleEndian.PutUint64(image[blockListStart:], uint64(start)+1)
}

// image returns a core with the sector in front that loads the rest of it from a disk. On
// a disc that sector is never carried out.
func (p *parts) image(config string, names []string) ([]byte, error) {
	first, err := p.sized("diskboot.img", sectorSize)
	if err != nil {
		return nil, err
	}
	rest, err := p.core(config, names)
	if err != nil {
		return nil, err
	}
	binary.LittleEndian.PutUint16(first[blockListLength:], uint16((len(rest)+sectorSize-1)/sectorSize))
	return append(first[:sectorSize], rest...), nil
}

// Disc returns what starts GRUB from a disc whose image begins at start, in bytes: an
// image, and the code of the first sector of a disk that the disc was copied to.
func Disc(ctx context.Context, src Source, root store.Digest, config string, start int64) (sector, image []byte, err error) {
	p := &parts{ctx, src, root}
	const size = DiscLoad * sectorSize
	if sector, err = p.firstSector((start + size) / sectorSize); err != nil {
		return nil, nil, err
	}
	image, err = p.sized("cdboot.img", size)
	if err != nil {
		return nil, nil, err
	}
	rest, err := p.image(config, slices.Concat(modules, discModules))
	if err != nil {
		return nil, nil, err
	}
	placeOnDisk(rest, (start+size)/sectorSize)
	image = append(image[:size], rest...)
	placeOnDisc(image, start)
	return sector, image, nil
}

// placeOnDisc writes where on a disc an image begins into it, in bytes, as mkisofs(8) does
// (-boot-info-table).
func placeOnDisc(image []byte, start int64) {
	const volume, discSector, table = 16, 2048, 56
	var sum uint32
	padded := append(slices.Clone(image), make([]byte, -len(image)&(wordAlignment-1))...)
	for at := discTable + table; at < len(padded); at += wordAlignment {
		sum += binary.LittleEndian.Uint32(padded[at:])
	}
	for i, n := range []uint32{volume, uint32(start / discSector), uint32(len(image)), sum} {
		binary.LittleEndian.PutUint32(image[discTable+wordAlignment*i:], n)
	}
}

// core returns GRUB's kernel with modules and a configuration, compressed, behind what
// unpacks it.
func (p *parts) core(config string, names []string) ([]byte, error) {
	kernel, err := p.kernel()
	if err != nil {
		return nil, err
	}
	list, err := p.withNeeds(names)
	if err != nil {
		return nil, err
	}
	var behind []byte
	add := func(kind uint32, data []byte) {
		size := (len(data) + wordAlignment - 1) &^ (wordAlignment - 1)
		behind = binary.LittleEndian.AppendUint32(behind, kind)
		behind = binary.LittleEndian.AppendUint32(behind, uint32(size+moduleHead))
		behind = append(behind, data...)
		behind = append(behind, make([]byte, size-len(data))...)
	}
	for _, name := range list {
		data, err := p.read(name + ".mod")
		if err != nil {
			return nil, err
		}
		add(kindModule, data)
	}
	add(kindConfig, append([]byte(config), 0))
	add(kindPrefix, []byte("/grub\x00")) // where nothing is
	kernel = binary.LittleEndian.AppendUint32(kernel, modulesMagic)
	kernel = binary.LittleEndian.AppendUint32(kernel, modulesHead)
	kernel = binary.LittleEndian.AppendUint32(kernel, uint32(modulesHead+len(behind)))
	return p.compress(append(kernel, behind...))
}

// kernel returns GRUB's kernel as it is in memory, up to its variables that begin as
// zeros: what is put behind it is looked for there.
func (p *parts) kernel() ([]byte, error) {
	data, err := p.read("kernel.img")
	if err != nil {
		return nil, err
	}
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("read GRUB's kernel.img: %w", err)
	}
	var image []byte
	for _, s := range f.Sections {
		if s.Type != elf.SHT_PROGBITS || s.Flags&elf.SHF_ALLOC == 0 {
			continue
		}
		if s.Addr < linkAddress || s.Addr-linkAddress > maxPart {
			return nil, fmt.Errorf("read GRUB's kernel.img: section %s at %#x", s.Name, s.Addr)
		}
		text, err := s.Data()
		if err != nil {
			return nil, fmt.Errorf("read GRUB's kernel.img: %w", err)
		}
		at := int(s.Addr - linkAddress)
		if end := at + len(text); end > len(image) {
			image = append(image, make([]byte, end-len(image))...)
		}
		copy(image[at:], text)
	}
	if len(image) == 0 {
		return nil, errors.New("read GRUB's kernel.img: there is nothing in it")
	}
	return image, nil
}

// withNeeds returns modules with those that they need, each after what it needs.
func (p *parts) withNeeds(names []string) ([]string, error) {
	text, err := p.read("moddep.lst")
	if err != nil {
		return nil, err
	}
	needs := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		if name, rest, ok := strings.Cut(line, ":"); ok {
			needs[name] = strings.Fields(rest)
		}
	}
	var list []string
	seen := map[string]bool{}
	var add func(name string) error
	add = func(name string) error {
		if seen[name] {
			return nil
		}
		seen[name] = true
		if _, ok := needs[name]; !ok || path.Base(name) != name {
			return fmt.Errorf("GRUB has no module %q", name)
		}
		for _, n := range needs[name] {
			if err := add(n); err != nil {
				return err
			}
		}
		list = append(list, name)
		return nil
	}
	for _, name := range names {
		if err := add(name); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// compress puts a kernel behind what unpacks it.
func (p *parts) compress(kernel []byte) ([]byte, error) {
	const properties = 13 // bytes of the header of .lzma files, which GRUB takes as given
	var b bytes.Buffer
	w, err := lzma.WriterConfig{
		Properties: &lzma.Properties{LC: 3, LP: 0, PB: 2}, DictCap: 1 << 16, SizeInHeader: true, Size: int64(len(kernel)),
	}.NewWriter(&b)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(kernel); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	packed := b.Bytes()[properties:]
	const head = 0x20
	image, err := p.sized("lzma_decompress.img", head)
	if err != nil {
		return nil, err
	}
	binary.LittleEndian.PutUint32(image[packedSize:], uint32(len(packed)))
	binary.LittleEndian.PutUint32(image[unpackedSize:], uint32(len(kernel)))
	image = append(image, packed...)
	if len(image) > maxCore {
		return nil, fmt.Errorf("GRUB's core has %d bytes, at most %d", len(image), maxCore)
	}
	return image, nil
}
