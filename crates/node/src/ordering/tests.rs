mod broadcast;
mod chain;
mod deliver;
