//! A derive macro of the workspace itself, beside those of its dependencies.
use proc_macro::TokenStream;
use quote::quote;
use syn::{parse_macro_input, Data, DeriveInput, Fields};

/// Implements `field_names`, the names of a struct's fields in their order.
#[proc_macro_derive(FieldNames)]
pub fn field_names(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let name = &input.ident;
    let fields: Vec<String> = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(named) => named.named.iter().filter_map(|f| f.ident.as_ref()).map(|i| i.to_string()).collect(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    };
    quote! {
        impl #name {
            pub fn field_names() -> &'static [&'static str] {
                &[#(#fields),*]
            }
        }
    }
    .into()
}
