"""Training: optimizer, schedule, rate table, distribution, callbacks, and `fine_tune` over them."""
