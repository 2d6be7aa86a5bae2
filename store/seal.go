package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/prf"
	"github.com/tink-crypto/tink-go/v2/tink"
	"gorm.io/gorm"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
)

// sealer is the seam through which PHI enters and leaves the database.
type sealer struct {
	aead   tink.AEAD
	hashes *prf.Set
}

func newSealer(k *Keys) (*sealer, error) {
	const op = "use the keys"
	a, err := aead.New(k.aead)
	if err != nil {
		return nil, keysFault(op, "the aead keyset cannot be used", err)
	}
	h, err := prf.NewPRFSet(k.hash)
	if err != nil {
		return nil, keysFault(op, "the prf keyset cannot be used", err)
	}
	if h.PRFs[h.PrimaryID] == nil {
		return nil, keysFault(op, "the prf keyset has no primary key", nil)
	}
	return &sealer{aead: a, hashes: h}, nil
}

// row names the row whose columns are sealed or opened. The first error sticks
// in err, so that a row's columns can be written one after the other.
type row struct {
	*sealer
	table  string
	clinic callback.ClinicID
	id     string
	err    error
}

func (s *sealer) row(table string, clinic callback.ClinicID, id string) *row {
	return &row{sealer: s, table: table, clinic: clinic, id: id}
}

// bound names a column of the row as associated data: a sealed value that was
// moved to another column, row or clinic does not open.
func (r *row) bound(column string) []byte {
	return joined(r.table, column, string(r.clinic), r.id)
}

// joined joins parts so that no two lists of parts give the same bytes.
func joined(parts ...string) []byte {
	var b []byte
	for _, p := range parts {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	return b
}

// sealBytes seals a value; nothing stays NULL.
func (r *row) sealBytes(column string, content []byte) []byte {
	if len(content) == 0 || r.err != nil {
		return nil
	}
	sealed, err := r.aead.Encrypt(content, r.bound(column))
	if err != nil {
		r.err = keysFault("seal "+r.table+"."+column, "the cipher failed", err)
	}
	return sealed
}

// openBytes opens what sealBytes sealed.
func (r *row) openBytes(column string, sealed []byte) []byte {
	if sealed == nil || r.err != nil {
		return nil
	}
	content, err := r.aead.Decrypt(sealed, r.bound(column))
	if err != nil {
		r.err = fault.New(fault.Permanent, "open "+r.table+"."+column, "the value of row "+r.id+" does not open").
			WithHint("the row was changed from outside, or the keys file lacks the key it was sealed with").Because(err)
		return nil
	}
	return content
}

func (r *row) sealText(column string, t redact.Text) []byte {
	return r.sealBytes(column, []byte(t.Reveal()))
}

func (r *row) openText(column string, sealed []byte) redact.Text {
	return redact.NewText(string(r.openBytes(column, sealed)))
}

// The columns that values are looked up by. Each has hashes of its own in each
// clinic, so that a copy of the database does not tell who stands in two places.
const (
	hashedPhone       = "callbacks.caller_phone"
	hashedContent     = "arrivals.content"
	hashedPatient     = "callbacks.patient_chart"
	hashedAppointment = "appointments.patient"
	hashedNumber      = "calls.number"
)

// hashSize is enough for 2^48 values per column.
const hashSize = 16

// hash returns the keyed hash to store beside a sealed value, nil for an empty one.
func (s *sealer) hash(column string, clinic callback.ClinicID, t redact.Text) ([]byte, error) {
	if t.IsEmpty() {
		return nil, nil
	}
	h, err := s.hashes.ComputePrimaryPRF(hashed(column, clinic, t), hashSize)
	if err != nil {
		return nil, keysFault("hash "+column, "the hash failed", err)
	}
	return h, nil
}

// lookup returns what a stored hash of the value may be, one per key.
func (s *sealer) lookup(column string, clinic callback.ClinicID, t redact.Text) ([][]byte, error) {
	var all [][]byte
	if t.IsEmpty() {
		return nil, nil
	}
	for _, p := range s.hashes.PRFs {
		h, err := p.ComputePRF(hashed(column, clinic, t), hashSize)
		if err != nil {
			return nil, keysFault("hash "+column, "the hash failed", err)
		}
		all = append(all, h)
	}
	return all, nil
}

func hashed(column string, clinic callback.ClinicID, t redact.Text) []byte {
	return joined(column, string(clinic), strings.TrimSpace(t.Reveal()))
}

// hash of the row's own clinic, with the row's sticky error.
func (r *row) hash(column string, t redact.Text) []byte {
	if r.err != nil {
		return nil
	}
	h, err := r.sealer.hash(column, r.clinic, t)
	r.err = err
	return h
}

// canary is a known value that is stored sealed and hashed, to prove that the
// keys are those of the database.
const canary = "ringback ledger"

// checkKeys writes the canary into a new ledger and proves the keys by it.
func (s *Store) checkKeys(ctx context.Context, file string) error {
	const op = "check the keys"
	r := s.seal.row("meta", "", "canary")
	sealed := r.sealBytes("value", []byte(canary))
	hash := r.hash("meta.canary", redact.NewText(canary))
	if r.err != nil {
		return r.err
	}
	var rows []metaRow
	if err := s.one(ctx).Where("name IN ?", []string{"canary", "canary hash"}).Find(&rows).Error; err != nil {
		return s.fail(op, err)
	}
	if len(rows) == 0 {
		err := s.write(ctx, op, func(tx *gorm.DB) error {
			fresh := []metaRow{{Name: "canary", Value: sealed}, {Name: "canary hash", Value: hash}}
			if err := tx.Clauses(keepFirst).Create(&fresh).Error; err != nil {
				return err
			}
			return tx.Where("name IN ?", []string{"canary", "canary hash"}).Find(&rows).Error
		})
		if err != nil {
			return err
		}
	}
	proved := 0
	for _, m := range rows {
		switch {
		case m.Name == "canary" && string(r.openBytes("value", m.Value)) == canary,
			m.Name == "canary hash" && s.seal.isHash("meta.canary", canary, m.Value):
			proved++
		}
	}
	if proved == 2 {
		return nil
	}
	keys := "the given keys"
	if file != "" {
		keys = "the keys in " + file
	}
	return fault.New(fault.Permanent, op, fmt.Sprintf("%s are not those of %s", keys, s.at)).
		WithHint("use the keys file that was made with this ledger; it cannot be read without it").Because(r.err)
}

func (s *sealer) isHash(column, value string, stored []byte) bool {
	all, err := s.lookup(column, "", redact.NewText(value))
	for _, h := range all {
		if err == nil && bytes.Equal(h, stored) {
			return true
		}
	}
	return false
}

// HasKeys reports whether the ledger at o.DSN was opened with keys before: it
// can then only be read with those. The schema has to be up to date.
func HasKeys(ctx context.Context, o Options) (bool, error) {
	o = o.withDefaults()
	at, err := parseDSN(o.DSN)
	if err != nil {
		return false, err
	}
	db, err := connect(ctx, at, o.Logger)
	if err != nil {
		return false, err
	}
	s := &Store{db: db, at: at, clock: o.Clock}
	var n int64
	err = s.one(ctx).Model(&metaRow{}).Where("name = ?", "canary").Count(&n).Error
	return n > 0, errors.Join(s.fail("look for the keys of the ledger", err), s.Close())
}
