"""Pure: model values become rows and texts, tested without an app."""
