package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/ringback-health/ringback/callback"
)

// AddToken stores a new token.
func (s *Store) AddToken(ctx context.Context, t callback.Token) error {
	const op = "add a token"
	if t.ID == "" || t.Name == "" || len(t.Hash) != 64 || !slices.Contains(callback.Roles, t.Role) || !t.RevokedAt.IsZero() {
		return fmt.Errorf("%s: %w: it needs an id, a name, a SHA-256 in hex and one of the roles %v", op, callback.ErrInvalid, callback.Roles)
	}
	return s.write(ctx, op, func(tx *gorm.DB) error {
		err := tx.Create(&tokenRow{ID: t.ID, Name: plain(t.Name), Role: t.Role, Hash: t.Hash, CreatedAt: instant(t.CreatedAt)}).Error
		if errors.Is(err, gorm.ErrDuplicatedKey) {
			return fmt.Errorf("%w: a valid token has the name %q; choose another, or revoke that one first", callback.ErrInvalid, t.Name)
		}
		return err
	})
}

// TokenByHash returns the valid token with the hash.
func (s *Store) TokenByHash(ctx context.Context, hash string) (callback.Token, error) {
	var r tokenRow
	if err := s.one(ctx).Where("hash = ? AND revoked_at IS NULL", hash).Take(&r).Error; err != nil {
		return callback.Token{}, s.fail("find a token", err)
	}
	return r.token(), nil
}

// ListTokens returns all tokens, newest first.
func (s *Store) ListTokens(ctx context.Context) ([]callback.Token, error) {
	var rows []tokenRow
	if err := s.one(ctx).Order("created_at DESC, id DESC").Find(&rows).Error; err != nil {
		return nil, s.fail("list tokens", err)
	}
	var all []callback.Token
	for _, r := range rows {
		all = append(all, r.token())
	}
	return all, nil
}

// RevokeToken ends a token by its name. The row stays, for the record.
func (s *Store) RevokeToken(ctx context.Context, name string, at time.Time) error {
	return s.write(ctx, "revoke a token", func(tx *gorm.DB) error {
		done := tx.Model(&tokenRow{}).Where("name = ? AND revoked_at IS NULL", plain(name)).
			Updates(map[string]any{"revoked_at": instant(at)})
		if done.Error == nil && done.RowsAffected != 1 {
			return gorm.ErrRecordNotFound
		}
		return done.Error
	})
}
