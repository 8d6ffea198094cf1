//! `krait`: mod_krait on the command line. `krait serve APP` runs a private httpd in the foreground.
//!
//! The way of a call: [`args`] is what was typed, [`settings`] what it means on this machine (nothing is changed yet),
//! [`render`] the configuration that follows from it, and [`run`] starts httpd with it and stays until it has ended.

mod app;
mod args;
mod error;
mod httpd;
mod listen;
mod log;
mod render;
mod run;
mod session;
mod settings;
mod state;
mod user_name;

use args::{Cli, Command};
use clap::Parser;
use error::CliError;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too, with exit code 0; a closed terminal is no reason to fail.
            drop(error.print());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let result = match cli.command {
        Command::Serve(args) => run::serve(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !matches!(error, CliError::AlreadyTold) {
                log::say(&error.to_string());
            }
            error.exit_code()
        }
    }
}
